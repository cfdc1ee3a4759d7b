"""The MONAI Application Package of a task: build context, manifests, image.

The stock packager (holoscan-cli) reads an application folder and lays out a build context; its Dockerfile needs
three network sites, its manifests break the specification and its entrypoint reports success for a failed
application. Here its classes read and lay out, and the Dockerfile, the manifests and the entrypoint are our own.

What runs inside the image is in :mod:`aimi.map_package.inside`; it needs nothing but Python to start.

References
----------
MONAI Application Package, version 1.0.0: guidelines/monai-application-package.md of Project-MONAI/monai-deploy.
"""
