from tests.cli.test_readme_runs import chapter_test

test_commands_run = chapter_test("Gaits")
