"""From the working database to an immutable vintage: candidate, manifest, verification."""
