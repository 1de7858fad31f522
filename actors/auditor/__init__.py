"""The auditor: moves what every actor spooled into one store, and lets everybody read it."""
