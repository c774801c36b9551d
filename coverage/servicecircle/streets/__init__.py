"""Streets: files, graphs and layers in, a `WalkNetwork` out; what a planner changes in it."""
