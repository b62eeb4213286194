from schemakit.runner.calls import upgrade
