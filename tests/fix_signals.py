"""Ctrl-C works in the processes that the tests start, however the tests were started.

A shell that is not interactive starts what it puts in the background with SIGINT ignored, and
processes inherit that; a handler of Python's own is not inherited.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
