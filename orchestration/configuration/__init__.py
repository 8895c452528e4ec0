"""What people decide and write down in `configuration/`: each file read and checked.

One module per subject, one pydantic model per file. No number is made here, and nothing is
imported from the rooms that use it.
"""
