"""What the runner's tests share."""


def pytest_configure(config):
    config.addinivalue_line("markers", "long: longer with SCHEMAKIT_TEST_LONG=1, as in CI")
