"""Service circles for the eye: isochrones from exact times, and along the streets."""
