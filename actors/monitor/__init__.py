"""The monitor of one workstream: its program kept running, heard, commanded, judged and shown."""
