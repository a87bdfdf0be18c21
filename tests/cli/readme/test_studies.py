from tests.cli.test_readme_runs import chapter_test

test_commands_run = chapter_test("What looks alike, and what an owner likes", "A study that a lab can run")
