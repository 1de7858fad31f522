"""The one command: daemon, demonstration and control script.  ``python run.py --help`` lists everything."""

from alluse_hub.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
