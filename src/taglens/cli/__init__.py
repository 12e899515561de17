"""The command line: one file for each verb, with its options as a dataclass, named like the room that does the work.

The only room that knows tyro; nothing imports it. A verb asks, calls one room, and says what came out: it computes nothing.
The program itself is ``main`` in ``taglens.cli.main``.
"""
