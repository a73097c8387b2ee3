// What is generic over models takes models.

use aludel::prelude::*;

struct Note;

fn name<M: Model>() -> &'static str {
    M::NAME
}

fn main() {
    name::<Note>();
}
