"""What runs inside an image: :mod:`assemble` when it is built, :mod:`entrypoint` when it runs."""
