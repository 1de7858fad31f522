"""The router: events from workstream to workstream, in rounds."""
