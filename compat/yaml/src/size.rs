//! How large a tree is, found without recursion: trees of any depth can be measured.

use go_std::Room;

use crate::Node;

/// What a tree takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Nodes, keys included.
    pub nodes: usize,
    /// Bytes of memory, about.
    pub bytes: usize,
    /// Collections around the innermost node, its own included: 0 for a scalar.
    pub depth: usize,
    /// Bytes of memory, about, that the tree takes as JSON.
    pub value_bytes: usize,
}

impl Size {
    /// Bytes of a node whose text fits into it.
    pub const NODE: usize = size_of::<Node>();
    /// Bytes of a text that fit into a node.
    const INLINE: usize = 24;

    /// Bytes of a scalar.
    pub fn of_text(text: &str) -> usize {
        let outside = if text.len() > Self::INLINE { text.len() } else { 0 };
        Self::NODE + outside
    }
}

impl Node {
    /// How large the tree below and with this node is.
    ///
    /// ```
    /// let node = go_yaml::Node::from_items(vec![go_yaml::Node::from_items(vec![go_yaml::Node::scalar("a")])]);
    /// assert_eq!((node.size().nodes, node.size().depth), (3, 2));
    /// ```
    pub fn size(&self) -> Size {
        let mut size = Size::default();
        let mut open = vec![(self, 0)];
        while let Some((node, above)) = open.pop() {
            size.nodes += 1;
            size.bytes += Size::of_text(node.text());
            size.bytes += node.bytes_outside();
            size.value_bytes +=
                Room::of_text(node.text().len()) + Room::of_map(node.entries().len()) - Room::VALUE;
            if node.is_mapping() || node.is_sequence() {
                let depth = above + 1;
                size.depth = size.depth.max(depth);
                open.extend(node.items().iter().map(|item| (item, depth)));
                open.extend(
                    node.entries()
                        .iter()
                        .flat_map(|(key, value)| [(key, depth), (value, depth)]),
                );
            }
        }
        size
    }
}
