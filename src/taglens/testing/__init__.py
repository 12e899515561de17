"""The tests that every method and loss must pass, for yours as well: ``pytest --pyargs taglens.testing --method mine --loss own``.

Methods and losses are found by name, among those of this package, of installed packages and of ``--plugin`` modules. Needs pytest;
knows nothing of how a method works inside. Without names those of this package are tested.
"""
