"""The dense base: all actors of a system in one process."""
