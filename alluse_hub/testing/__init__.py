"""The test kit: the whole hub inside a test, in virtual time."""
