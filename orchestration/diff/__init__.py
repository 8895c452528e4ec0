"""What two states say differently: the usage of two vintages or dumps, two versions of the registry.

Nothing that a run publishes is made here.
"""
