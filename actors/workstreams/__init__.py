"""The reference workstreams and the SDK to write another.  Imports nothing, so that a program starts light."""
