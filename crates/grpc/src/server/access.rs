//! The service `Access`. `Authenticate` alone takes its credentials from the request.

use model::access::{
    AddGrant, AlterUser, CreateNamespace, CreateToken, CreateUser, DeleteNamespace, DeleteUser, DescribeUser,
    ListGrants, ListNamespaces, ListTokens, ListUsers, Login, Logout, RemoveGrant, RevokeToken, WhoAmI,
};
use model::caller::{Caller, Credentials, Origin};
use model::failure::Failure;
use tonic::{Request, Response, Status};

use super::{Door, deadline, identity, service};
use crate::proto as pb;
use crate::translate::{Wire, missing};

service! {
    pb::access_server::Access {
        create_user = CreateUser;
        alter_user = AlterUser;
        describe_user = DescribeUser;
        delete_user = DeleteUser;
        list_users = ListUsers;
        add_grant = AddGrant;
        remove_grant = RemoveGrant;
        list_grants = ListGrants;
        create_token = CreateToken;
        list_tokens = ListTokens;
        revoke_token = RevokeToken;
        login = Login;
        logout = Logout;
        who_am_i = WhoAmI;
        create_namespace = CreateNamespace;
        delete_namespace = DeleteNamespace;
        list_namespaces = ListNamespaces;
    }

    async fn authenticate(
        &self,
        request: Request<pb::AuthenticateRequest>,
    ) -> Result<Response<pb::CallerIdentity>, Status> {
        let deadline = deadline::of(request.metadata());
        deadline::within(deadline, self.identify(request)).await.map(Response::new)
    }
}

impl Door {
    async fn identify(&self, request: Request<pb::AuthenticateRequest>) -> Result<pb::CallerIdentity, Failure> {
        let peer = identity::peer(request.extensions());
        let form = request.into_inner();
        let credentials = Credentials::from_wire(form.credentials.ok_or_else(|| missing("credentials"))?)?;
        let reported = Option::<Origin>::from_wire(form.origin)?;
        let origin = identity::origin(self.settings.reported_origins, &credentials, peer, reported);
        let caller = self.backend.authenticate(credentials, origin).await?;
        Ok(caller_identity(caller))
    }
}

fn caller_identity(caller: Caller) -> pb::CallerIdentity {
    pb::CallerIdentity {
        user_id: caller.user.to_wire(),
        name: caller.name.to_wire(),
        scope: Some(caller.scope.to_wire()),
        token_id: caller.token.to_wire(),
    }
}
