//! Objects against a reference, by random programs.

aludel_tests::programs!(diesel::PgConnection);
