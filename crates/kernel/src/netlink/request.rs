//! A netlink request, written attribute by attribute.
//!
//! It owns lengths and padding; which attributes a family has is its callers' knowledge.

/// The bit of an attribute's type that says that its value is attributes.
const NESTED: u16 = 0x8000;

/// A message under construction.
#[derive(Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A message of that type with flags beyond those of every request, and the family's fixed header.
    pub(crate) fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        // Number and port: the channel fills in the one, the kernel the other.
        bytes.extend([0; 8]);
        bytes.extend(header);
        let mut request = Self { bytes };
        request.pad();
        request
    }

    /// An attribute.
    pub(crate) fn put(&mut self, kind: u16, value: &[u8]) {
        // No value of ours comes near 64 KiB; one that did would be refused by the kernel as cut.
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.pad();
    }

    /// An attribute of one octet.
    pub(crate) fn put_u8(&mut self, kind: u16, value: u8) {
        self.put(kind, &[value]);
    }

    /// An attribute of 32 bits in the machine's order.
    pub(crate) fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// An attribute of 32 bits in network order.
    pub(crate) fn put_be32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// A text with its terminator.
    pub(crate) fn put_text(&mut self, kind: u16, text: &str) {
        self.put(kind, &[text.as_bytes(), &[0]].concat());
    }

    /// An attribute whose value is what `inside` writes.
    pub(crate) fn nest(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) {
        self.group(kind | NESTED, inside);
    }

    /// The same without the bit that says so, for families older than it.
    pub(crate) fn group(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        inside(self);
        self.fill_length(start);
    }

    /// A `struct rtnexthop`: two octets of length, then `fixed`, then what `inside` writes.
    pub(crate) fn hop(&mut self, fixed: [u8; 6], inside: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(fixed);
        inside(self);
        self.fill_length(start);
    }

    fn fill_length(&mut self, start: usize) {
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        if let Some(field) = self.bytes.get_mut(start..start + 2) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
    }

    /// The message with its length.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        if let Some(field) = self.bytes.get_mut(..4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
        self.bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_what_is_inside_and_padding_lies_outside() {
        let mut request = Request::new(24, 0x400, &[2, 0, 0, 0]);
        request.put(1, &[7; 5]);
        request.nest(2, |inner| inner.put_u8(3, 9));
        let bytes = request.finish();
        assert_eq!(bytes.len(), 16 + 4 + 12 + 12);
        assert_eq!(bytes[..4], 44_u32.to_ne_bytes());
        assert_eq!(bytes[20..22], 9_u16.to_ne_bytes());
        assert_eq!(bytes[32..36], [&12_u16.to_ne_bytes()[..], &0x8002_u16.to_ne_bytes()].concat());
    }
}
