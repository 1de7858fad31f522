"""Every word one part may say to another, and the shapes of state on disk.  Imports nothing of ours."""
