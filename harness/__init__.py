"""The bench around the kernels: compose → check → run → track → report. No numerics live here."""
