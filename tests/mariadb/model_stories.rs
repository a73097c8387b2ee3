//! Objects: the stories are `tests/support/models`.

aludel_tests::model_stories!(aludel_tests::cases::mariadb);
