"""The configuration: saved alike by the admin and by `apply`, printed by `export`."""
