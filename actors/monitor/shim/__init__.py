"""The shim: holds one program and its pipes, so that the program outlives whoever watches it; the idea is containerd's.

    python -I -S -E -c "..." FOLDER_ABOVE_THIS RUN_DIR NAME LOG_FILE WORKING_DIR COMMAND...

Standard library only, nothing of ours, no module whose import costs a megabyte: one of these lives beside every
program. It is started in a session of its own and forks once, so that nobody has to wait for it.  It says ``ok`` on
descriptor 3 when the program runs, or ``error: ...``, and closes it.  In RUN_DIR, private to the hub's user, it keeps
``NAME.lock`` (held while it lives), ``NAME.sock`` and ``NAME.json`` (itself and its program, by pid and start time).

It numbers the program's lines from 1, keeps each until it is released, and beyond ``KEPT_BYTES_MAX`` stops reading,
so that the pipe pushes back on the program.  Of a line longer than ``LINE_BYTES_MAX`` only the beginning is kept.
Text after the last line feed of a dead program is no line and is dropped.  Standard error goes to LOG_FILE, rotated
once.

It speaks with one monitor at a time, over the socket; a newer connection replaces the older.  A frame is one byte of
kind, four of length (big-endian), and the payload:

    H  to the monitor: hello, ``shim-pid shim-ticks pid ticks first-kept-line exit-status protocol`` as text; the status
       is ``-`` while the program runs; without a protocol it is 1
    L  to the monitor: number of the first line (8 bytes), then lines, each with its line feed
    T  to the monitor: number (8), length (8) and beginning of a line that was too long
    X  to the monitor: the exit status as text, negative for a signal; comes after the last line
    W  from the monitor: bytes for standard input
    R  from the monitor: lines up to this number (8) are released
    S  from the monitor: signal number (1) for the program's process group
    E  from the monitor: end the program in order; grace in milliseconds (4)
    G  from the monitor: bytes for the log file
    Q  from the monitor: all is told, go; a program that still runs is ended first

A shim outlives the hub's own version, older or newer.  So in all versions the hello is the first frame and its first
seven words mean the same, and SIGTERM ends program and shim in order: a monitor that does not speak the protocol needs
no more than that.  What is added without need of an answer leaves the protocol's number as it is.

To end in order: standard input is closed; after the grace TERM, after ``TERM_GRACE_S`` KILL, each to the whole group.
SIGTERM to the shim ends the program so, and then the shim; so does the removal of RUN_DIR while nobody is connected.
When the program has exited, what is left of its process group is killed.
"""
