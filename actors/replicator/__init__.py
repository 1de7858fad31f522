"""The replicator: keeps data sets equal between workstreams, and has each target prove that they are."""
