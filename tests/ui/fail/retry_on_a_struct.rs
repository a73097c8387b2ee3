// What runs again is a function.

use aludel::prelude::*;

#[retry]
struct Transfer;

fn main() {}
