"""Django's PostgreSQL backend with the embedded server, which is started when first needed."""
