"""What people see: the worker's pages, the public pages, and the query API over the read model."""
