//! Writes SVG: elements with attributes and text, every value escaped.

use std::fmt::{self, Display, Write as _};

/// Decimal places of a coordinate: a hundredth of a pixel is not seen.
const SUBPIXELS: f64 = 100.0;

/// A coordinate or length in pixels, as short as it can be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Px(pub(super) f64);

impl Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = (self.0 * SUBPIXELS).round() / SUBPIXELS;
        // Not "-0", which is what rounds up to it.
        write!(f, "{}", if rounded == 0.0 { 0.0 } else { rounded })
    }
}

/// The attributes of an element, in the order in which they are written.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a dyn Display)];

/// A document in the making.
#[derive(Debug, Default)]
pub(super) struct Svg {
    out: String,
    open: Vec<&'static str>,
}

impl Svg {
    /// Opens an element; what follows is inside until [`Svg::close`].
    pub(super) fn open(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.start(name, attributes);
        self.out.push('>');
        self.open.push(name);
    }

    /// Closes what was opened last.
    pub(super) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.write(format_args!("</{name}>\n"));
        }
    }

    /// An element without content.
    pub(super) fn leaf(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.start(name, attributes);
        self.out.push_str("/>\n");
    }

    /// An element with text.
    pub(super) fn text(&mut self, name: &'static str, attributes: Attributes<'_>, text: &str) {
        self.start(name, attributes);
        self.out.push('>');
        escape(&mut self.out, text);
        self.write(format_args!("</{name}>\n"));
    }

    /// The document.
    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }

    fn start(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.write(format_args!("<{name}"));
        for (name, value) in attributes {
            self.write(format_args!(" {name}=\""));
            escape(&mut self.out, &value.to_string());
            self.out.push('"');
        }
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        // Writing into a text does not fail.
        let _ = self.out.write_fmt(text);
    }
}

/// Text as XML: nothing in it is taken for markup, and what XML forbids is replaced.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            control if control.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            plain => out.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_is_markup() {
        let mut svg = Svg::default();
        svg.open("g", &[("id", &"\"><script>")]);
        svg.text("text", &[("x", &Px(1.0))], "</text>&\u{0}\u{ffff}'端末");
        svg.leaf("path", &[("d", &"M0 0"), ("y", &Px(-0.001))]);
        assert_eq!(
            svg.finish(),
            "<g id=\"&quot;&gt;&lt;script&gt;\"><text x=\"1\">&lt;/text&gt;&amp;\u{fffd}\u{fffd}\
             &#39;端末</text>\n<path d=\"M0 0\" y=\"0\"/>\n</g>\n"
        );
    }

    #[test]
    fn lengths_are_short() {
        for (length, text) in [
            (1.0, "1"),
            (0.125, "0.13"),
            (-2.5, "-2.5"),
            (1e6, "1000000"),
        ] {
            assert_eq!(Px(length).to_string(), text);
        }
    }
}
