"""The workflow language and the rules of running it: pure values and functions.

Every other package stands on this one; it stands on nothing of ours. No I/O, no clock, no randomness, no
asyncio: time and identifiers arrive inside the events that are handed in.
"""
