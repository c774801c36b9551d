"""What is told of stations: tables and what to mend in them, upload fields, hours, services."""
