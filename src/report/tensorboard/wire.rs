//! The wire format of protocol buffers, as far as an event file needs it
//! (<https://protobuf.dev/programming-guides/encoding/>). A message is the bytes of its fields.

/// A message: fields are added one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message(Vec<u8>);

/// The types of a field on the wire.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Bits64 = 1,
    Bytes = 2,
    Bits32 = 5,
}

impl Message {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The message with a whole number, a truth value or a choice. A negative number has ten bytes.
    pub fn int(mut self, field: u32, value: i64) -> Self {
        self.key(field, Wire::Varint);
        self.varint(value as u64);
        self
    }

    /// The message with a `double`.
    pub fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, Wire::Bits64);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// The message with a `float`.
    pub fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, Wire::Bits32);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// The message with a text.
    pub fn text(self, field: u32, value: &str) -> Self {
        self.raw(field, value.as_bytes())
    }

    /// The message with another one in it.
    pub fn message(self, field: u32, value: &Message) -> Self {
        self.raw(field, &value.0)
    }

    /// The message with bytes.
    pub fn raw(mut self, field: u32, value: &[u8]) -> Self {
        self.key(field, Wire::Bytes);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    fn key(&mut self, field: u32, wire: Wire) {
        self.varint(u64::from(field << 3 | wire as u32));
    }

    /// Seven bits a byte, the lowest first; the highest bit of a byte says that another one follows.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the specification.
    #[test]
    fn fields_have_the_bytes_of_the_specification() {
        assert_eq!(Message::default().int(1, 150).bytes(), [0x08, 0x96, 0x01]);
        let text = Message::default().text(2, "testing");
        assert_eq!(text.bytes(), b"\x12\x07testing");
        let inner = Message::default().int(1, 150);
        let outer = Message::default().message(3, &inner);
        assert_eq!(outer.bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let minus = Message::default().int(1, -2);
        assert_eq!(
            minus.bytes(),
            [8, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]
        );
        assert_eq!(
            Message::default().float(2, 1.0).bytes(),
            [0x15, 0, 0, 0x80, 0x3f]
        );
        let double = Message::default().double(16, -2.0);
        assert_eq!(double.bytes(), [0x81, 0x01, 0, 0, 0, 0, 0, 0, 0, 0xc0]);
    }
}
