"""The coordinator: rules place claims, the arbiter decides what is in force, directives carry it out."""
