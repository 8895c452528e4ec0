"""What two states say differently: two vintages or dumps of usage, two versions of the registry.

Nothing that a run publishes is made here.
"""
