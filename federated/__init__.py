"""Many data holders together: coordinator, node, client, simulation and command line."""
