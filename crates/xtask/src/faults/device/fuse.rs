//! The disk as a file: the part of the FUSE protocol that a folder with one file needs.
//! Invariant: every request gets one answer; what is not known here is refused, so the kernel goes without it.
//! Spoken over `/dev/fuse` by threads of this program; started by `mount`. Tests below.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use super::{Device, DeviceFailed};

/// The file's name in its folder.
pub(super) const NAME: &str = "disk";

/// Threads that answer: a slow flush does not hold up the others.
const THREADS: usize = 4;
const WRITE_BYTES_MAX: u32 = 1 << 20;
const PAGES_MAX: u16 = 256;
const HEAD: usize = 40;
const FOLDER_NODE: u64 = 1;
const FILE_NODE: u64 = 2;
/// Names and sizes stay as they are for this many seconds.
const VALID_S: u64 = 3600;

const EIO: i32 = 5;
const ENOENT: i32 = 2;
const ENOSYS: i32 = 38;

/// Big writes, of as many pages as are said.
const FLAGS: u32 = 1 << 5 | 1 << 22;
/// Reads and writes of the file bypass the page cache.
const DIRECT: u32 = 1;

/// Mounts a folder with the disk in it and answers for it until the folder is unmounted.
pub(super) fn serve(device: &Arc<Device>, folder: &Path) -> Result<(), String> {
    let open = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    let kernel = open.map_err(|error| format!("/dev/fuse cannot be opened: {error}"))?;
    let copy = || kernel.try_clone().map_err(|error| format!("/dev/fuse: {error}"));
    let mut mount = Command::new("mount");
    // The mount program passes the number of its own standard input on to the kernel.
    mount.args(["-i", "-t", "fuse", "-o", "fd=0,rootmode=40000,user_id=0,group_id=0", "recado-disk"]).arg(folder);
    let output = mount.stdin(Stdio::from(copy()?)).output().map_err(|error| format!("cannot start mount: {error}"))?;
    if !output.status.success() {
        return Err(format!("a FUSE folder cannot be mounted: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    for _ in 0..THREADS {
        let (kernel, device) = (copy()?, Arc::clone(device));
        thread::spawn(move || answer_all(kernel, &device));
    }
    Ok(())
}

fn answer_all(mut kernel: File, device: &Device) {
    let mut request = vec![0; HEAD + 1024 + usize::try_from(WRITE_BYTES_MAX).expect("it is a megabyte")];
    let mut answer = Vec::new();
    // An error of a read means that the folder is unmounted.
    while let Ok(length) = kernel.read(&mut request) {
        if respond(&request[..length], device, &mut answer) {
            // The kernel may have given up on the request.
            let _given_up = kernel.write(&answer);
        }
    }
}

/// Numbers of a request, which are little-endian on the machines that we run on.
fn number32(request: &[u8], place: usize) -> u32 {
    let bytes = request.get(place..place + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u32::from_ne_bytes).unwrap_or_default()
}

fn number64(request: &[u8], place: usize) -> u64 {
    let bytes = request.get(place..place + 8).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u64::from_ne_bytes).unwrap_or_default()
}

fn place(request: &[u8], place: usize) -> usize {
    usize::try_from(number64(request, place)).unwrap_or(usize::MAX)
}

/// Writes the answer of a request; false when it has none.
fn respond(request: &[u8], device: &Device, answer: &mut Vec<u8>) -> bool {
    let (operation, id, node) = (number32(request, 4), number64(request, 8), number64(request, 16));
    let words = request.get(HEAD..).unwrap_or_default();
    answer.clear();
    answer.resize(16, 0);
    let failed = |DeviceFailed| EIO;
    let done = match operation {
        // Forget, interrupt, forget many.
        2 | 36 | 42 => return false,
        1 => lookup(words, device, answer),
        // Attributes, read and written.
        3 | 4 => {
            answer.extend(VALID_S.to_ne_bytes());
            answer.extend([0; 8]);
            attributes(node, device, answer);
            Ok(())
        }
        14 => {
            answer.extend(0_u64.to_ne_bytes());
            answer.extend(DIRECT.to_ne_bytes());
            answer.extend([0; 4]);
            Ok(())
        }
        15 => {
            let length = usize::try_from(number32(words, 16)).unwrap_or(usize::MAX);
            device.read(place(words, 8), length, answer).map_err(failed)
        }
        16 => device.write(place(words, 8), words.get(40..).unwrap_or_default()).map_err(failed).map(|()| {
            answer.extend(number32(words, 16).to_ne_bytes());
            answer.extend([0; 4]);
        }),
        17 => {
            answer.extend([0; 80]);
            Ok(())
        }
        20 => device.flush().map_err(failed),
        // Release, flush at close, release of a folder, end of the session.
        18 | 25 | 29 | 38 => Ok(()),
        26 => {
            begin(words, answer);
            Ok(())
        }
        _ => Err(ENOSYS),
    };
    if let Err(code) = done {
        answer.truncate(16);
        answer[4..8].copy_from_slice(&(-code).to_ne_bytes());
    }
    let length = u32::try_from(answer.len()).expect("answers are a megabyte at most");
    answer[..4].copy_from_slice(&length.to_ne_bytes());
    answer[8..16].copy_from_slice(&id.to_ne_bytes());
    true
}

fn begin(words: &[u8], answer: &mut Vec<u8>) {
    let (major, minor): (u32, u32) = (7, 31);
    let read_ahead = number32(words, 8);
    for word in [major, minor.min(number32(words, 4)), read_ahead, FLAGS & number32(words, 12)] {
        answer.extend(word.to_ne_bytes());
    }
    for half in [64_u16, 48] {
        answer.extend(half.to_ne_bytes());
    }
    for word in [WRITE_BYTES_MAX, 1] {
        answer.extend(word.to_ne_bytes());
    }
    answer.extend(PAGES_MAX.to_ne_bytes());
    answer.resize(16 + 64, 0);
}

fn lookup(words: &[u8], device: &Device, answer: &mut Vec<u8>) -> Result<(), i32> {
    if words.strip_suffix(b"\0") != Some(NAME.as_bytes()) {
        return Err(ENOENT);
    }
    for word in [FILE_NODE, 0, VALID_S, VALID_S, 0] {
        answer.extend(word.to_ne_bytes());
    }
    attributes(FILE_NODE, device, answer);
    Ok(())
}

fn attributes(node: u64, device: &Device, answer: &mut Vec<u8>) {
    let (mode, links, length): (u32, u32, usize) =
        if node == FOLDER_NODE { (0o040_755, 2, 0) } else { (0o100_600, 1, device.length()) };
    let length = u64::try_from(length).expect("the disk is in memory");
    for word in [node, length, length / 512, 0, 0, 0] {
        answer.extend(word.to_ne_bytes());
    }
    for word in [0, 0, 0, mode, links, 0, 0, 0, 4096, 0] {
        answer.extend(word.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request as the kernel writes it.
    fn request(operation: u32, node: u64, words: &[u8]) -> Vec<u8> {
        let mut request = Vec::new();
        request.extend(u32::try_from(HEAD + words.len()).expect("it is short").to_ne_bytes());
        request.extend(operation.to_ne_bytes());
        request.extend(77_u64.to_ne_bytes());
        request.extend(node.to_ne_bytes());
        request.resize(HEAD, 0);
        request.extend(words);
        request
    }

    fn answered(request: &[u8], device: &Device) -> (i32, Vec<u8>) {
        let mut answer = Vec::new();
        assert!(respond(request, device, &mut answer), "it has an answer");
        assert_eq!(number32(&answer, 0), u32::try_from(answer.len()).expect("it is short"));
        assert_eq!(number64(&answer, 8), 77, "it answers that request");
        let code = i32::from_ne_bytes(answer[4..8].try_into().expect("four bytes"));
        (code, answer.split_off(16))
    }

    fn at(offset: u64, length: u32, bytes: &[u8]) -> Vec<u8> {
        let mut words = vec![0; 8];
        words.extend(offset.to_ne_bytes());
        words.extend(length.to_ne_bytes());
        words.resize(40, 0);
        words.extend(bytes);
        words
    }

    #[test]
    fn the_file_is_found_written_flushed_and_read() {
        let device = Device::new();
        let (code, entry) = answered(&request(1, FOLDER_NODE, b"disk\0"), &device);
        assert_eq!((code, entry.len(), number64(&entry, 0)), (0, 128, FILE_NODE));
        assert_eq!(number64(&entry, 48), u64::try_from(device.length()).expect("it is in memory"));
        assert_eq!(answered(&request(1, FOLDER_NODE, b"other\0"), &device).0, -ENOENT);
        let (code, wrote) = answered(&request(16, FILE_NODE, &at(4096, 3, b"abc")), &device);
        assert_eq!((code, number32(&wrote, 0)), (0, 3));
        assert_eq!(answered(&request(20, FILE_NODE, &[]), &device).0, 0);
        assert_eq!(answered(&request(15, FILE_NODE, &at(4097, 2, b"")), &device), (0, b"bc".to_vec()));
        assert_eq!(device.requests().flushes, 1);
    }

    #[test]
    fn what_is_not_known_is_refused_and_a_dead_disk_fails() {
        let device = Device::new();
        assert_eq!(answered(&request(43, FILE_NODE, &[0; 32]), &device), (-ENOSYS, Vec::new()));
        assert_eq!(answered(&request(26, 0, &[0xff; 16]), &device).1.len(), 64);
        assert!(!respond(&request(2, FILE_NODE, &[0; 8]), &device, &mut Vec::new()), "a forget has no answer");
        device.cut(super::super::Loss::Everything, &mut super::super::Chance::new(1));
        assert_eq!(answered(&request(15, FILE_NODE, &at(0, 9, b"")), &device), (-EIO, Vec::new()));
        assert_eq!(answered(&request(20, FILE_NODE, &[]), &device).0, -EIO);
    }
}
