// Addresses are relative, so that the page works under any path that a proxy serves it at.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  // What is shown stays here: no validator of somebody else's is asked.
  validatorUrl: null,
  // A key that is typed in goes with the tab.
  persistAuthorization: false,
});
