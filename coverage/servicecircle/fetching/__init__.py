"""The map of a place by its name; nothing else in the package touches the network."""
