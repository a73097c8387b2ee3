//! Orders of things that depend on each other. Pure: numbers in, numbers out.

/// The strongly connected components of a graph, dependencies first; `edges[n]` are those that `n` depends on. Things that do
/// not depend on each other keep their order.
pub(crate) fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search {
        edges,
        visited: vec![None; edges.len()],
        low: vec![0; edges.len()],
        open: vec![false; edges.len()],
        stack: Vec::new(),
        found: Vec::new(),
        count: 0,
    };
    for node in 0..edges.len() {
        if search.visited[node].is_none() {
            search.visit(node);
        }
    }
    search.found
}

/// Tarjan's algorithm: it finds each component after all that it depends on.
struct Search<'a> {
    edges: &'a [Vec<usize>],
    visited: Vec<Option<usize>>,
    /// The earliest node that can be reached from this one and leads back to it.
    low: Vec<usize>,
    open: Vec<bool>,
    stack: Vec<usize>,
    found: Vec<Vec<usize>>,
    count: usize,
}

impl Search<'_> {
    /// As deep as models refer to each other, which is not deep.
    fn visit(&mut self, node: usize) {
        let number = self.count;
        self.count += 1;
        self.visited[node] = Some(number);
        self.low[node] = number;
        self.stack.push(node);
        self.open[node] = true;
        for &next in &self.edges[node] {
            match self.visited[next] {
                None => {
                    self.visit(next);
                    self.low[node] = self.low[node].min(self.low[next]);
                }
                Some(number) if self.open[next] => self.low[node] = self.low[node].min(number),
                Some(_) => {}
            }
        }
        if self.low[node] == number {
            let first = self.stack.iter().rposition(|&open| open == node);
            let mut component = self
                .stack
                .split_off(first.expect("a node is on the stack until its component is found"));
            for &closed in &component {
                self.open[closed] = false;
            }
            component.sort_unstable();
            self.found.push(component);
        }
    }
}

/// Nodes in levels: each depends on nodes of earlier levels only. Inside a level they keep their order.
///
/// # Errors
///
/// The nodes of a cycle, each followed by one that it depends on.
pub(crate) fn levels(edges: &[Vec<usize>]) -> Result<Vec<Vec<usize>>, Vec<usize>> {
    let mut missing: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut dependents = vec![Vec::new(); edges.len()];
    for (node, needs) in edges.iter().enumerate() {
        for &need in needs {
            dependents[need].push(node);
        }
    }
    let mut level: Vec<usize> = (0..edges.len()).filter(|&node| missing[node] == 0).collect();
    let mut found = Vec::new();
    let mut done = 0;
    while !level.is_empty() {
        done += level.len();
        let mut next = Vec::new();
        for &node in &level {
            for &dependent in &dependents[node] {
                missing[dependent] -= 1;
                if missing[dependent] == 0 {
                    next.push(dependent);
                }
            }
        }
        next.sort_unstable();
        found.push(std::mem::replace(&mut level, next));
    }
    if done == edges.len() {
        Ok(found)
    } else {
        Err(cycle(edges, &missing))
    }
}

/// Whatever is left has a dependency that is left, so that going from one to the next must come back.
fn cycle(edges: &[Vec<usize>], missing: &[usize]) -> Vec<usize> {
    let is_left = |node: &usize| missing[*node] > 0;
    let mut path = Vec::new();
    let mut at = (0..edges.len()).find(is_left).expect("something is left");
    loop {
        if let Some(first) = path.iter().position(|&seen| seen == at) {
            return path.split_off(first);
        }
        path.push(at);
        at = *edges[at]
            .iter()
            .find(|node| is_left(node))
            .expect("what is left waits for something that is left");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_before_their_children() {
        // 0: loans, of 1: books, of 2: authors; 3: on its own.
        assert_eq!(components(&[vec![1], vec![2], vec![], vec![]]), [[2], [1], [0], [3]]);
    }

    #[test]
    fn models_that_refer_to_each_other_are_one_component() {
        assert_eq!(
            components(&[vec![1], vec![0, 2], vec![], vec![0]]),
            [vec![2], vec![0, 1], vec![3]]
        );
    }

    #[test]
    fn a_tree_is_inserted_level_by_level() {
        // 0 is the root, 1 and 3 its children, 2 a child of 3.
        assert_eq!(
            levels(&[vec![], vec![0], vec![3], vec![0]]).unwrap(),
            [vec![0], vec![1, 3], vec![2]]
        );
    }

    #[test]
    fn a_cycle_is_named_from_one_to_the_next() {
        // 1 needs 2, 2 needs 3, 3 needs 1; 4 only waits for them.
        assert_eq!(
            levels(&[vec![], vec![2], vec![3], vec![1], vec![1]]).unwrap_err(),
            [1, 2, 3]
        );
        assert_eq!(levels(&[vec![0]]).unwrap_err(), [0]);
    }
}
