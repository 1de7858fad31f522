"""The control script: standard library only, so that it answers before a heavier import would have finished."""
