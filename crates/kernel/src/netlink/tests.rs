//! Messages taken apart, whole and hostile.

use super::*;
use proptest::prelude::*;

/// A message as the kernel would write it, padded.
fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER_BYTES + payload.len()).unwrap();
    let mut bytes =
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &sequence.to_ne_bytes()].concat();
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn a_datagram_is_cut_into_its_messages_at_aligned_places() {
    let datagram = [message(20, 2, 7, b"abcde"), message(3, 0, 8, b"")].concat();
    let cut: Vec<(u16, u32, &[u8])> = messages(&datagram).map(|m| (m.kind, m.sequence, m.payload)).collect();
    assert_eq!(cut, [(20, 7, &b"abcde"[..]), (3, 8, &b""[..])]);
}

#[test]
fn lengths_that_do_not_fit_end_the_datagram() {
    let mut short = message(20, 0, 1, b"abcd");
    for length in [0_u32, 15, 21, u32::MAX] {
        short[LENGTH_FIELD].copy_from_slice(&length.to_ne_bytes());
        assert_eq!(messages(&short).count(), 0, "length {length}");
    }
}

#[test]
fn a_refusal_carries_the_kernels_words_capped_or_not() {
    let echo = message(20, 5, 9, b"12345678");
    let words = b"\x0e\x00\x01\x00no such b\x00\x00\x00";
    for (flags, echoed) in [(NLM_F_ACK_TLVS, &echo[..]), (NLM_F_ACK_TLVS | NLM_F_CAPPED, &echo[..HEADER_BYTES])] {
        let payload = [&(-libc::ENODEV).to_ne_bytes()[..], echoed, words].concat();
        let answer = message(NLMSG_ERROR, flags, 9, &payload);
        let parsed = messages(&answer).next().and_then(|m| parse_answer(&m));
        assert_eq!(parsed, Some(Err(Refused { errno: libc::ENODEV, text: "no such b".to_owned() })));
    }
}

#[test]
fn a_refusal_reads_as_number_and_words() {
    let refused = Refused { errno: libc::ENODEV, text: "device does not exist".to_owned() };
    assert_eq!(refused.to_string(), "No such device (os error 19): device does not exist");
    assert_eq!(Refused::new(libc::EPERM).to_string(), "Operation not permitted (os error 1)");
}

#[test]
fn a_dump_of_links_ends_and_a_request_the_kernel_refuses_is_answered() {
    let mut channel = Channel::open(netlink_sys::protocols::NETLINK_ROUTE).unwrap();
    let get_links = message(18, 0, 0, &[0; 16]);
    assert!(!channel.dump(&get_links).unwrap().is_empty());
    // RTM_NEWADDR with a header of zeros: no such link. Three in one send, each answered.
    let mut requests = vec![message(20, 0, 0, &[0; 8]); 3];
    let answers = channel.request(&mut requests);
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
}

#[test]
fn an_answer_that_never_comes_is_an_error_and_the_next_request_works() {
    let mut channel = Channel::open(netlink_sys::protocols::NETLINK_ROUTE).unwrap();
    // NLMSG_NOOP: the kernel passes over control messages without an answer unless asked for one; a message that
    // is cut short it does not even see.
    let mut cut = vec![message(20, 0, 0, &[0; 8])];
    cut[0][LENGTH_FIELD].copy_from_slice(&400_u32.to_ne_bytes());
    let before = boottime();
    let answers = channel.request(&mut cut);
    assert_eq!(answers, [Err(Refused::new(libc::ETIMEDOUT))]);
    assert!(boottime().since(before) >= ANSWER_TIMEOUT);
    assert!(channel.dump(&message(18, 0, 0, &[0; 16])).is_ok());
}

proptest! {
    #[test]
    fn no_datagram_makes_the_reader_panic(datagram in prop::collection::vec(any::<u8>(), 0..400)) {
        for message in messages(&datagram) {
            let _ = parse_answer(&message);
            let _ = attributes(message.payload).map(|a| a.value().len()).sum::<usize>();
        }
    }

    #[test]
    fn no_answer_makes_the_reader_panic(
        flags in any::<u16>(),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let datagram = message(NLMSG_ERROR, flags | NLM_F_ACK_TLVS, 1, &payload);
        for message in messages(&datagram) {
            let _ = parse_answer(&message);
        }
    }
}
