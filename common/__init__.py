"""The lowest Django layer: base model, errors, tenancy scope, pushes, clock. No tables of its own."""
