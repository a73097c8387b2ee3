//! What people read, while it runs and at its end.

use comfy_table::{ContentArrangement, Table, presets};

use crate::scene::{Scene, Told};

/// A scene that was played.
pub(crate) struct Played {
    pub(crate) title: &'static str,
    pub(crate) diesel: Told,
    pub(crate) aludel: Told,
}

const HEADINGS: [&str; 5] = [
    "scene",
    "Diesel said",
    "and then there was",
    "Aludel said",
    "and then there was",
];

/// Plays a scene, and prints what each side was told.
pub(crate) fn play(number: usize, scene: &Scene) -> Played {
    aludel_examples::heading(&format!("{number}. {}", scene.title));
    println!("{}", scene.story);
    let diesel = side("Diesel and r2d2", scene.diesel);
    let aludel = side("Aludel", scene.aludel);
    Played {
        title: scene.title,
        diesel,
        aludel,
    }
}

fn side(name: &str, play: fn() -> Told) -> Told {
    println!("\n  {name}");
    let told = play();
    for answer in &told.answers {
        println!("    {}", answer.replace('\n', "\n      "));
    }
    println!("    said: {}", told.said);
    println!("    there was: {}", told.found);
    let verdict = if told.sound {
        "as it should be"
    } else {
        "NOT AS IT SHOULD BE"
    };
    println!("    {verdict}");
    told
}

fn row(played: &Played) -> [String; 5] {
    let Played { title, diesel, aludel } = played;
    [*title, &diesel.said, &diesel.found, &aludel.said, &aludel.found].map(str::to_owned)
}

/// The table at the end.
pub(crate) fn summary(scenes: &[Played]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(120)
        .set_header(HEADINGS)
        .add_rows(scenes.iter().map(row));
    table.to_string()
}

/// The same table as the README has it.
pub(crate) fn markdown(scenes: &[Played]) -> Vec<String> {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | ").replace('\n', " "));
    let mut lines = vec![line(&HEADINGS.map(str::to_owned)), "|---|---|---|---|---|".to_owned()];
    lines.extend(scenes.iter().map(|played| line(&row(played))));
    lines
}
