use super::*;

/// A folder of its own for each test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wgmesh-uapi-{test}-{}", std::process::id()));
        let _absent = fs::remove_dir_all(&path);
        Self(path)
    }

    fn claim(&self) -> Result<Claim> {
        Listener::claim_in(&self.0, &InterfaceName::parse("wg0").expect("a name"))
    }

    fn ours(&self) -> Listener {
        match self.claim() {
            Ok(Claim::Ours(listener)) => listener,
            Ok(Claim::Theirs(path)) => panic!("{} is taken", path.display()),
            Err(error) => panic!("{error}"),
        }
    }

    fn socket(&self) -> PathBuf {
        self.0.join("wg0.sock")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _absent = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn only_the_owner_can_reach_the_socket_and_it_goes_with_the_listener() {
    let folder = Folder::new("modes");
    let listener = folder.ours();
    let mode = |path: &Path| fs::symlink_metadata(path).expect("it is there").mode() & 0o777;
    assert_eq!((mode(&folder.0), mode(&folder.socket())), (0o700, 0o600));
    assert_eq!(fs::read_dir(&folder.0).expect("a folder").count(), 1);
    drop(listener);
    assert!(!folder.socket().exists());
}

#[test]
fn a_socket_left_behind_is_replaced() {
    let folder = Folder::new("stale");
    fs::create_dir_all(&folder.0).expect("a folder");
    // The file of a socket stays when the socket is closed, as after SIGKILL.
    drop(UnixListener::bind(folder.socket()).expect("a socket"));
    assert!(folder.socket().exists());
    let _listener = folder.ours();
    assert!(UnixStream::connect(folder.socket()).is_ok());
}

#[test]
fn a_socket_in_use_is_left_alone() {
    let folder = Folder::new("live");
    let first = folder.ours();
    assert!(matches!(folder.claim(), Ok(Claim::Theirs(path)) if path == folder.socket()));
    drop(first);
    assert!(matches!(folder.claim(), Ok(Claim::Ours(_))));
}

#[test]
fn the_file_of_another_is_not_removed() {
    let folder = Folder::new("foreign");
    let listener = folder.ours();
    fs::remove_file(folder.socket()).expect("it is there");
    let _other = UnixListener::bind(folder.socket()).expect("a socket");
    drop(listener);
    assert!(folder.socket().exists());
}

#[test]
fn what_is_no_socket_is_refused() {
    let folder = Folder::new("file");
    fs::create_dir_all(&folder.0).expect("a folder");
    fs::write(folder.socket(), "precious").expect("a file");
    assert_eq!(folder.claim().err().map(|error| error.code), Some("EEXIST".to_owned()));
    assert_eq!(fs::read(folder.socket()).ok(), Some(b"precious".to_vec()));
}
