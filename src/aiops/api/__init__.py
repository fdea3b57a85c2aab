"""HTTP in, HTTP out: schemas, routes, and errors as problem+json. No thinking here."""
