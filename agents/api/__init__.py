"""Voice in the REST session API, and for the vendor's sample clients."""
