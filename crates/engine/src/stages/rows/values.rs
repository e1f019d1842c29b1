//! Values as stages see them: as text, as numbers, in order.
