//! What is left of a rule on one kind: a formula over the program's own predicates.

/// A formula over the program's own predicates.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Const(bool),
    Predicate(u32),
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
}

impl Node {
    pub(super) fn and(nodes: Vec<Node>) -> Node {
        let mut kept = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node {
                Node::Const(true) => {}
                Node::Const(false) => return Node::Const(false),
                Node::And(inner) => kept.extend(inner),
                node => kept.push(node),
            }
        }
        match kept.len() {
            0 => Node::Const(true),
            1 => kept.swap_remove(0),
            _ => Node::And(kept),
        }
    }

    pub(super) fn or(nodes: Vec<Node>) -> Node {
        let mut kept = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node {
                Node::Const(false) => {}
                Node::Const(true) => return Node::Const(true),
                Node::Or(inner) => kept.extend(inner),
                node => kept.push(node),
            }
        }
        match kept.len() {
            0 => Node::Const(false),
            1 => kept.swap_remove(0),
            _ => Node::Or(kept),
        }
    }

    pub(super) fn not(node: Node) -> Node {
        match node {
            Node::Const(value) => Node::Const(!value),
            Node::Not(inner) => *inner,
            node => Node::Not(Box::new(node)),
        }
    }

    pub(super) fn holds(&self, held: &[bool]) -> bool {
        match self {
            Node::Const(value) => *value,
            Node::Predicate(own) => held[*own as usize],
            Node::And(nodes) => nodes.iter().all(|node| node.holds(held)),
            Node::Or(nodes) => nodes.iter().any(|node| node.holds(held)),
            Node::Not(node) => !node.holds(held),
        }
    }

    /// Predicates of which at least one must hold for the formula to hold, the rarest such set,
    /// with its weight; `None` where the formula may hold without any.
    pub(super) fn witnesses(&self, weights: &[u32]) -> Option<(u32, Vec<u32>)> {
        match self {
            Node::Const(false) => Some((0, Vec::new())),
            Node::Const(true) | Node::Not(_) => None,
            Node::Predicate(own) => Some((weights[*own as usize], vec![*own])),
            Node::And(nodes) => nodes.iter().filter_map(|n| n.witnesses(weights)).min(),
            Node::Or(nodes) => {
                nodes.iter().try_fold((0_u32, Vec::new()), |(sum, mut all), node| {
                    let (weight, own) = node.witnesses(weights)?;
                    all.extend(own);
                    Some((sum.saturating_add(weight), all))
                })
            }
        }
    }

    /// Adds the predicates of the formula.
    pub(super) fn collect(&self, predicates: &mut Vec<u32>) {
        match self {
            Node::Const(_) => {}
            Node::Predicate(own) => predicates.push(*own),
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().for_each(|n| n.collect(predicates)),
            Node::Not(node) => node.collect(predicates),
        }
    }

    /// Whether the formula can hold when some predicates never do and the others may be anything.
    pub(super) fn may_hold(&self, absent: &[bool]) -> bool {
        match self {
            Node::Const(value) => *value,
            Node::Predicate(own) => !absent[*own as usize],
            Node::And(nodes) => nodes.iter().all(|node| node.may_hold(absent)),
            Node::Or(nodes) => nodes.iter().any(|node| node.may_hold(absent)),
            // What is absent makes the inside false; anything else may be false as well, short of
            // a constant, which folding has removed.
            Node::Not(_) => true,
        }
    }
}
