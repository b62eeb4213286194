"""The verbs: one coroutine function each, which takes a `Call` and returns an `ExitCode`."""
