//! Archives made for the tests of archives: by the libraries' own writers where they have one, by hand where something
//! unusual or wrong is wanted.

#![allow(dead_code)] // every user takes a part of it

use std::io::Write;

/// Text with a token on its third line, at column 8.
pub(crate) fn log(token: &str) -> Vec<u8> {
    format!("first\nsecond\nvalue: {token}\nlast\n").into_bytes()
}

pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    // With a name of its own, which is no member.
    let mut writer =
        flate2::GzBuilder::new().filename("inner-name.log").write(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).expect("memory can be written");
    writer.finish().expect("memory can be written")
}

pub(crate) fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).expect("memory can be written");
    writer.finish().expect("memory can be written")
}

pub(crate) fn bz2(bytes: &[u8]) -> Vec<u8> {
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    writer.write_all(bytes).expect("memory can be written");
    writer.finish().expect("memory can be written")
}

pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(0);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).expect("the options are right");
    writer.write_all(bytes).expect("memory can be written");
    writer.finish().expect("memory can be written")
}

pub(crate) fn zst(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// Long names as GNU tar writes them.
pub(crate) fn tar<N: AsRef<str>>(members: &[(N, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name.as_ref(), *bytes).expect("memory can be written");
    }
    builder.into_inner().expect("memory can be written")
}

/// One tar header and its bytes, with nothing checked: any name of at most 100 bytes, any kind.
pub(crate) fn tar_entry(name: &[u8], kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_cksum();
    let mut entry = header.as_bytes().to_vec();
    entry.extend_from_slice(bytes);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

/// A pax header with these records.
pub(crate) fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut body = String::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len() + 1;
        while length != rest.len() + length.to_string().len() {
            length += 1;
        }
        body += &format!("{length}{rest}");
    }
    tar_entry(b"PaxHeader", b'x', body.as_bytes())
}

/// What stands behind a member of a zip archive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Descriptor {
    None,
    Marked,
    Bare,
    Wide,
}

/// A member of a zip archive.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) name: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
    /// 0, 8, 12, 93, 95; with any other the bytes are taken for packed ones.
    pub(crate) method: u16,
    pub(crate) flags: u16,
    pub(crate) descriptor: Descriptor,
    /// Sizes in the extra field.
    pub(crate) wide: bool,
    pub(crate) crc: Option<u32>,
    pub(crate) listed: bool,
    /// Stands between this member and the next.
    pub(crate) after: Vec<u8>,
}

impl Member {
    pub(crate) fn new(name: &str, method: u16, bytes: impl AsRef<[u8]>) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            bytes: bytes.as_ref().to_vec(),
            method,
            flags: 0,
            descriptor: Descriptor::None,
            wide: false,
            crc: None,
            listed: true,
            after: Vec::new(),
        }
    }

    pub(crate) fn described(mut self, descriptor: Descriptor) -> Self {
        self.descriptor = descriptor;
        self
    }
}

/// A zip archive with deflated members.
pub(crate) fn zip<N: AsRef<str>>(members: &[(N, &[u8])]) -> Vec<u8> {
    zip_of(&members.iter().map(|(name, bytes)| Member::new(name.as_ref(), 8, bytes)).collect::<Vec<_>>())
}

/// A zip archive of these members.
pub(crate) fn zip_of(members: &[Member]) -> Vec<u8> {
    let (mut out, mut directory, mut listed) = (Vec::new(), Vec::new(), 0u16);
    for member in members {
        let packed = match member.method {
            8 => deflate(&member.bytes),
            12 => bz2(&member.bytes),
            93 => zst(&member.bytes),
            95 => xz(&member.bytes),
            _ => member.bytes.clone(),
        };
        let crc = member.crc.unwrap_or_else(|| crc32fast::hash(&member.bytes));
        let flags = member.flags | if member.descriptor == Descriptor::None { 0 } else { 8 };
        let at = out.len() as u32;
        let known = member.descriptor == Descriptor::None;
        let size = |value: usize| match (known, member.wide) {
            (false, _) => 0,
            (true, true) => u32::MAX,
            (true, false) => value as u32,
        };
        let mut extra = b"\x07\x00\x02\x00ab".to_vec(); // something else first
        if member.wide {
            extra.extend([1, 0, 16, 0]);
            extra.extend((member.bytes.len() as u64).to_le_bytes());
            extra.extend((packed.len() as u64).to_le_bytes());
        }
        out.extend(b"PK\x03\x04\x2d\x00");
        out.extend(flags.to_le_bytes());
        out.extend(member.method.to_le_bytes());
        out.extend([0, 0, 0x21, 0x5c]);
        out.extend(if known { crc } else { 0 }.to_le_bytes());
        out.extend(size(packed.len()).to_le_bytes());
        out.extend(size(member.bytes.len()).to_le_bytes());
        out.extend((member.name.len() as u16).to_le_bytes());
        out.extend((extra.len() as u16).to_le_bytes());
        out.extend(&member.name);
        out.extend(&extra);
        out.extend(&packed);
        if !known {
            if member.descriptor != Descriptor::Bare {
                out.extend(b"PK\x07\x08");
            }
            out.extend(crc.to_le_bytes());
            for size in [packed.len(), member.bytes.len()] {
                match member.descriptor {
                    Descriptor::Wide => out.extend((size as u64).to_le_bytes()),
                    _ => out.extend((size as u32).to_le_bytes()),
                }
            }
        }
        out.extend(&member.after);
        if member.listed {
            listed += 1;
            directory.extend(b"PK\x01\x02\x2d\x00\x2d\x00");
            directory.extend(flags.to_le_bytes());
            directory.extend(member.method.to_le_bytes());
            directory.extend([0, 0, 0x21, 0x5c]);
            directory.extend(crc.to_le_bytes());
            directory.extend((packed.len() as u32).to_le_bytes());
            directory.extend((member.bytes.len() as u32).to_le_bytes());
            directory.extend((member.name.len() as u16).to_le_bytes());
            directory.extend([0; 12]);
            directory.extend(at.to_le_bytes());
            directory.extend(&member.name);
        }
    }
    let (at, length) = (out.len() as u32, directory.len() as u32);
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(listed.to_le_bytes());
    out.extend(listed.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend(7u16.to_le_bytes());
    out.extend(b"comment");
    out
}

/// A Zstandard frame of `blocks` blocks of 128 KiB of one byte: four bytes each.
pub(crate) fn zst_of_one_byte(blocks: u32) -> Vec<u8> {
    // RFC 8878: magic, no flags, a window of 1 MiB.
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 10 << 3];
    for n in 0..blocks {
        let header = u32::from(n + 1 == blocks) | 1 << 1 | (128 * 1024) << 3;
        out.extend(&header.to_le_bytes()[..3]);
        out.push(b'0');
    }
    out
}
